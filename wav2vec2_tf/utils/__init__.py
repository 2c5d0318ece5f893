"""What every room uses: errors, whole files, journals, progress."""
