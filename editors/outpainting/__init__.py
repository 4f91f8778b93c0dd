"""Drawing what lies around a picture."""
