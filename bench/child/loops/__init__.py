"""Training loops, one file each.

A file declares ``BACKENDS`` (a literal tuple of the Keras backends that it runs on) and has
``train(model, training, validation, *, epochs, batch_size, clock)``, which calls the clock's four epoch methods at
every epoch and hands it Keras' losses.
"""
