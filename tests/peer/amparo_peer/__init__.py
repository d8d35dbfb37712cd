"""An independent peer of Amparo: written from proto/PROTOCOL.md alone, without any code of daemon/.

It is a test's second opinion: what two implementations of one document agree on is what the
document says. It keeps all in memory and is made to be read and to misbehave on request; it is no
node to run. Modules, lowest first: codec, merkle, note, ledger, batch, agreement, record, session,
peer.
"""
