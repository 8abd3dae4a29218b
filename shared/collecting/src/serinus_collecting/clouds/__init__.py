"""Who the collector is to a cloud: identities that the vendors' own libraries find, renew and sign with.

The libraries are extras, imported where one is configured. They block while they are imported, look for credentials and
renew them: that is done in a thread. No message holds a secret.
"""
