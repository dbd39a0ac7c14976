"""What people say: threads at the moment on screen, chats of rooms and live events, and their moderation."""
