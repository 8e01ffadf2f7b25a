"""Read what you are told, from where you left off: python read_notices.py kcat.conf"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer
from signing_in import signing_in


async def read(file: str) -> None:
    client, distributor = signing_in(file)
    group = f"distributors.{distributor}.erp"  # your groups begin with distributors.<your id>.
    topic = f"distributors.{distributor}.notices"
    how = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "isolation_level": "read_committed"}
    consumer = AIOKafkaConsumer(topic, **client, group_id=group, **how)
    await consumer.start()
    async for record in consumer:
        headers, notice = dict(record.headers), json.loads(record.value)
        # Here: put it into your own database, under headers["ce_id"], so that the same one twice does nothing.
        print(headers["ce_subject"].decode(), notice["kind"], notice["title"], flush=True)
        await consumer.commit()


asyncio.run(read(sys.argv[1]))
