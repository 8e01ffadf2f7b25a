"""The permissions on the broker: distributors, each with its own user and topics, and our services, each with what its
work needs and no more. Reference data says which distributors there are; the broker keeps users, permissions, quotas.
"""
