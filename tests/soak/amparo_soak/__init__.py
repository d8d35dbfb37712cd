"""A soak of three real agencies: clients, kill -9, pauses, a bad network, and what must hold after.

Modules, lowest first: words (messages of the local socket), caller (a connection to it), proxy (the
network), agency (a node's processes), history (what was asked and acknowledged), load (the clients),
nemesis (the faults), judge (what is wrong with what is held), soak (a round of it all).
"""
