"""Operations: what waits and for whom, how the streams do, and what is put right by hand. Acts are events."""
