"""Training loops, one file each.

A file declares

- ``BACKENDS``: a literal tuple of the Keras backends that it runs on, which the harness reads without importing it;
- ``PACKED``: whether it takes digits as bytes where they are no more than that (`bench.child.packing`), else as floats;
- ``train(model, training, validation, *, epochs, batch_size, clock)``, which trains a compiled model on `Pairs`, the
  last batch of an epoch smaller where the digits do not divide, calls the clock's four epoch methods at every epoch,
  hands it Keras' losses, and leaves the model's variables up to date whenever it calls.
"""
