"""Imports a backend and finds its device, as every measured process does first: run before one, it is not measured."""

import os

from bench.worker.backends import import_keras, load_backend

import_keras(os.environ["KERAS_BACKEND"])
load_backend(os.environ["KERAS_BACKEND"]).find_device()
