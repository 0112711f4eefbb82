#!/usr/bin/env python3
"""A task bot: claims tasks posted to its address or above it, works on them, and replies.

    worker.py app@i-42.digest.example.com         runs until interrupted
    worker.py app@i-42.digest.example.com --once  does the present tasks, then ends

Its only task is to reply with the SHA-256 of a message. Any number of these workers may share the tasks: a claim has one
winner. A worker may die at any point. Its position in the stream is the bookmark of the last finished batch, so it
receives the batch again. Its claims are orphaned with its connection, so that it, or another worker, takes them over.

libpq's environment (PGHOST, PGDATABASE, PGUSER, ...) selects the database. An administrator creates the bot's login once,
and enlists it for the address:
    CREATE ROLE worker LOGIN;
    SELECT cloudsat.enlist('worker', 'server', 'digest.example.com');
"""
import argparse
import hashlib
import sys
import time

import psycopg2


class Worker:
    def __init__(self, address):
        self.connection = psycopg2.connect("")
        # Each statement is a transaction, as CALL cloudsat.wait() requires: it holds no snapshot while it waits.
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.ask("SELECT cloudsat.register(ARRAY[%s]::cloudsat.address[])", address)

    def ask(self, statement, *arguments):
        self.cursor.execute(statement, arguments)
        return self.cursor.fetchall()

    def round(self, wait):
        """Processes one batch of messages, then orphaned claims; returns the number of finished tasks."""
        done = 0
        self.cursor.execute("CALL cloudsat.wait(make_interval(secs => %s))", [wait])
        for uuid, before, message in self.ask("SELECT uuid, before, message FROM cloudsat.receive()"):
            if before is None:  # a task is a message that starts a thread
                done += self.work(uuid, message)
        self.ask("SELECT cloudsat.bookmark()")
        for uuid, message in self.ask(
            "SELECT i.uuid, i.message FROM cloudsat.orphaned_claims AS o JOIN cloudsat.inbox AS i ON i.uuid = o.message"
        ):
            done += self.work(uuid, message)
        return done

    def work(self, uuid, message):
        [(claim,)] = self.ask("SELECT cloudsat.claim(%s, 'on it')", uuid)
        if claim is None:  # another worker has it, or it is finished
            return 0
        if message.strip():
            self.ask("SELECT cloudsat.release(%s, 'end', %s)", uuid, hashlib.sha256(message.encode()).hexdigest())
        else:
            self.ask("SELECT cloudsat.release(%s, 'problem', 'there is nothing to digest')", uuid)
        return 1


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("address")
    arguments.add_argument("--once", action="store_true", help="do the present tasks, then end")
    options = arguments.parse_args()
    if options.once:
        worker = Worker(options.address)
        while worker.round(wait=0):
            pass
        return
    while True:
        try:
            worker = Worker(options.address)
            while True:
                worker.round(wait=30)
        except psycopg2.OperationalError as error:  # the server went away: reconnect
            print(f"worker: {error}".strip(), file=sys.stderr)
            time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
