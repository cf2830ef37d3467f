//! Language models read from Hugging Face folders, with hook points, and their tokenizers.
