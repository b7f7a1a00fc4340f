"""Reliable requests and streams over a mesh that is not reliable.

``exchange`` is what the code that asks and the code that answers use. Each has an ``endpoint``
below it, made of a sending side, a receiving side and a liveness. ``windows`` has the rules of a
direction: order, repeats, credit. ``exchanges`` is the table of a node's endpoints, and
``carrier`` sends their frames.

How an exchange survives: frames without an acknowledgement are kept and sent again. An end that
waits for the other one, and hears nothing, asks what arrived (``probe``); the answer is a
``credit`` with ``fin``. A node that knows no such exchange says so (``unknown``). That may only
mean that the opening frame is late. With ``fin`` it means that the exchange is gone: it answers a
probe with ``fin``, which is sent once there was a sign that the exchange was known.

How it ends: both directions are finished and acknowledged; or one end gives up and tells the
other (``cancel``); or the other end is out of reach for too long.
"""
