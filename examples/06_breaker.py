"""A circuit breaker before a real HTTP server that fails for a while: it opens, tries again and closes."""

import asyncio
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import playbill


class Shop(BaseHTTPRequestHandler):
    healthy = False

    def do_GET(self) -> None:
        self.send_response(200 if Shop.healthy else 500)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"stock": 3}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def main(port: int) -> None:
    definition = playbill.PipelineDefinition.model_validate(
        {
            "name": "stock",
            "breakers": {"shop": {"failures": 2, "open_seconds": 0.2}},
            "nodes": [
                {
                    "id": "ask",
                    "type": "action",
                    "config": {"action": "call_api", "url": f"http://127.0.0.1:{port}/stock"},
                    "breaker": "shop",
                    "retry": {"max_attempts": 1},
                }
            ],
        }
    )
    async with playbill.PipelineRunManager() as manager:
        for attempt in range(1, 6):
            result = await (await manager.start_run(definition)).result()
            print(
                f"run {attempt}: {result.status}, circuit {manager.circuits['shop']}: {result.error or 'stock known'}"
            )
            if attempt == 3:
                Shop.healthy = True
                await asyncio.sleep(0.25)


server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
Thread(target=server.serve_forever, daemon=True).start()
asyncio.run(main(server.server_port))
server.shutdown()
server.server_close()
