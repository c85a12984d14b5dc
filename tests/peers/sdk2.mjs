// The TypeScript SDK 2.x: node sdk2.mjs http URL | stdio PROGRAM, then legacy | auto | REVISION
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import assert from 'node:assert/strict';
import { lookAround } from './looks.mjs';

const [way, target, era] = process.argv.slice(2);
const transport =
  way === 'http'
    ? new StreamableHTTPClientTransport(new URL(target))
    : new StdioClientTransport({ command: target, args: ['stdio', '--demo'] });
const mode = ['legacy', 'auto'].includes(era) ? era : { pin: era };
const client = new Client({ name: 'peer', version: '1' }, { versionNegotiation: { mode } });
await client.connect(transport);
assert.equal(client.getNegotiatedProtocolVersion(), era === 'legacy' ? '2025-11-25' : '2026-07-28');
const { tools } = await client.listTools();
await lookAround(tools, (name, args) => client.callTool({ name, arguments: args }, { onprogress: () => {} }));
await client.close();
