"""Pure functions over canonical frames: frames in, frames or numbers out."""
