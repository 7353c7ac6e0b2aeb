"""Answers every DNS query on 127.0.0.1:53 with the address 127.0.0.1, for `in-root.sh`."""

import socket

A, IN, TTL = 1, 1, 60

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, client = server.recvfrom(512)
    # The question follows the header of 12 bytes: the name's labels up to an empty one, the type, the class.
    end = query.index(0, 12) + 5
    asks_for_ipv4 = query[end - 4 : end] == bytes([0, A, 0, IN])
    # A response without error, with one question and at most one answer, whose name is that of the question.
    header = query[:2] + bytes([0x81, 0x80, 0, 1, 0, asks_for_ipv4, 0, 0, 0, 0])
    answer = bytes([0xC0, 12, 0, A, 0, IN, 0, 0, 0, TTL, 0, 4, 127, 0, 0, 1]) if asks_for_ipv4 else b""
    server.sendto(header + query[12:end] + answer, client)
