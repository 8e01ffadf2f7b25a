"""Answer a request: python confirm.py kcat.conf REQUEST_ID yes|no"""

import asyncio
import json
import sys
import uuid

from aiokafka import AIOKafkaProducer
from signing_in import signing_in


async def confirm(file: str, request_id: str, accepted: bool) -> None:
    client, distributor = signing_in(file)
    producer = AIOKafkaProducer(**client, enable_idempotence=True, acks="all")
    await producer.start()
    try:
        answer = {"request_id": request_id, "confirmation_id": str(uuid.uuid4()), "accepted": accepted}
        topic = f"distributors.{distributor}.confirmations"
        sent = await producer.send_and_wait(topic, json.dumps(answer).encode(), key=request_id.encode())
        print(f"{sent.topic}/{sent.partition}/{sent.offset}")  # the receipt names this record
    finally:
        await producer.stop()


asyncio.run(confirm(sys.argv[1], sys.argv[2].lower(), sys.argv[3] == "yes"))
