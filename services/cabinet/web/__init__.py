"""The former name of the web application: its command goes on working."""
