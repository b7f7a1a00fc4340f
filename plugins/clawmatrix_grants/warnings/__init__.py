"""What the table ``[grants]`` allows and probably does not mean.

``entries`` lists all rules, ``shadows`` finds those that never decide, ``strange`` those about
tools that are not there, ``folders`` those on paths that are in no root or shown all the same, and
``commands`` those that are as good as a shell. ``looking`` asks all.
"""
