"""The page: the hand in 3-D, live signals and the control plane's buttons, in a browser.

A process of its own that reads the board and asks the control port; see docs/view.md.
"""
