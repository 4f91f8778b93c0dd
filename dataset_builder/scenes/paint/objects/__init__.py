"""What stands in a scene, drawn by itself: drawings, their colours and materials, characters, dress."""
