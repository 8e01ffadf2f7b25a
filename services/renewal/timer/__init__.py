"""The timer: looks up which services have something due, and tells the stage of the day. It decides nothing."""
