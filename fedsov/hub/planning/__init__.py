"""The derived federation: which strategy each region gets, from volume and from law."""
