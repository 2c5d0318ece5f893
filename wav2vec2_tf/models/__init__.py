"""The models of the family, their configs, and what prepares their input."""
