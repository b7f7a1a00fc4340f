"""The WebSocket transport, on asyncio and on trio."""
