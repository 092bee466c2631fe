-- Sends signed webhooks as fast as the service accepts them, with wrk (https://github.com/wg/wrk):
--
--   export KOMBO_WEBHOOK_SECRET=whsec_test            # the same for the service
--   cargo build --release && target/release/kombo-source run --config kombo.yaml &
--   wrk -t1 -c32 -d30s --latency -s benches/webhook.lua http://127.0.0.1:8080/webhooks/kombo
--
-- wrk's Lua has no HMAC, so openssl signs the one body that is sent. More than 64 connections from one address need
-- `behind_proxy: true`. Targets: at least 2,000 requests a second, 99 % within 50 ms, only answers with 200.

-- An integration of the twin, so that the webhooks cause fetches, too: see KOMBO_INTEGRATIONS in the twin's output.
local integration = os.getenv("KOMBO_BENCH_INTEGRATION") or "personio:CBNMt7dSNCzBdnRTx87dev4E"
local body = '{"id":"bench","type":"data-changed","data":{"integration_id":"' .. integration .. '",'
  .. '"integration_category":"HRIS","changed_models":[{"name":"hris_employees"}]}}'

local function signature()
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(body)
  file:close()
  local command = 'openssl dgst -sha256 -hmac "$KOMBO_WEBHOOK_SECRET" -binary "%s" | base64 | tr "+/" "-_" | tr -d "=\\n"'
  local pipe = assert(io.popen(command:format(path)))
  local text = pipe:read("*a")
  pipe:close()
  os.remove(path)
  return text
end

wrk.method = "POST"
wrk.body = body
wrk.headers["content-type"] = "application/json"
wrk.headers["x-kombo-signature"] = signature()

