"""Speed and memory of Interlock against physical floors and peer engines, side by side."""
