"""What the table ``[grants]`` allows and probably does not mean.

``entries`` lists all rules, ``shadows`` finds those that never decide, ``strange`` those about
tools that are not there, and ``commands`` those that are as good as a shell. ``looking`` asks all.
"""
