"""The cause in the field's words, on cases made by hand."""
