"""Training: fine-tuning with CTC and pre-training, on one device or many."""
