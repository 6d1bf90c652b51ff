"""PSYONIC's own client moves a hand; run by its own Python: PORT REPLY_MODE. Prints JSON."""

import json
import sys
import time

from ah_wrapper import AHSerialClient
from ah_wrapper.ah_api import create_misc_msg

TARGET = [50, 40, 30, 20, 60, -70]
EXIT_API = 0x7C

client = AHSerialClient(port=sys.argv[1], baud_rate=460_800, reply_mode=int(sys.argv[2]))
for _ in range(50):  # its write thread repeats the newest command
    client.set_position(TARGET)
    time.sleep(0.02)
position, replies = list(client.hand.get_position()), client.n_reads
touch, velocity = client.hand.get_fsr(), client.hand.get_velocity()
client._writing = False
client._write_thread.join()
client.send_command(create_misc_msg(cmd=EXIT_API))
time.sleep(0.1)
client.close()
seen = {"position": position, "replies": replies, "touch": touch, "velocity": velocity}
print(json.dumps({"target": TARGET, **seen}))
