"""The measured side: one fresh process per case, and the only folder that imports Keras and its backend."""
