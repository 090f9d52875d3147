"""Entry of a measured process: a job on standard input, events over a pipe, whatever is printed into the log."""

import sys

from bench.worker.channel import Channel
from bench.worker.training import train

channel = Channel()
sys.exit(train(channel.receive_job(), channel))
