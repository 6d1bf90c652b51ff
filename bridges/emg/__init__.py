"""From electrodes to intention: filters, features, models, calibration, decoder, simulated EMG."""
