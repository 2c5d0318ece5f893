"""Batch jobs: large collections of recordings, on all cores of a machine or on a Ray cluster."""
