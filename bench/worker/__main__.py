"""Entry of a measured process: a job on standard input, events on standard output, everything else into the log."""

import sys

from bench.worker.channel import Channel
from bench.worker.training import train

channel = Channel()
sys.exit(train(channel.receive_job(), channel))
