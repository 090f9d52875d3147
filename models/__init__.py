"""The autoencoders of the Keras blog's "Building Autoencoders in Keras", one file each.

Source: F. Chollet, https://blog.keras.io/building-autoencoders-in-keras.html (May 2016, revised since).
"""
