"""Read models: fold topics into PostgreSQL tables, exactly once, live or anew from the beginning."""
