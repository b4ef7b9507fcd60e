-- For wrk: sends the requests of the file that REQUESTS names, one after the other, each after its length in eight digits.
local file = assert(io.open(os.getenv("REQUESTS"), "rb"))
local threads = {}
exhausted = false

function setup(thread)
  table.insert(threads, thread)
end

function request()
  local length = file:read(8)
  if length == nil then
    exhausted = true
    file:seek("set", 0)
    length = file:read(8)
  end
  return file:read(tonumber(length))
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  local ended = false
  for _, thread in ipairs(threads) do ended = ended or thread:get("exhausted") end
  print(string.format(
    'RESULT {"perSecond":%f,"refused":%d,"exhausted":%s,"p50":%f,"p99":%f}',
    ended and 0 or summary.requests / (summary.duration / 1e6), failed, tostring(ended),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000
  ))
end
