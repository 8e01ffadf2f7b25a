"""The former name of `services.documents`: its command goes on working."""
