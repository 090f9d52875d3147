"""The measured side: one fresh process a case, and the only folder that imports Keras and its backend."""
