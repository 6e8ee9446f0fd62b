-- Sends the lines of a file in turn: wrk -s rotate.lua URL -- KIND FILE FIRST [COLLECT]
-- KIND is `cookie` (GET, each line a Cookie header) or `body` (POST, each line a JSON body).
-- With COLLECT the cookies of as many answers are written there, and `end` below them.

local requests, position = {}, 0
local kept, kept_all, answers = nil, false, 0

function init(args)
  local kind, file, first, collect = args[1], args[2], tonumber(args[3]), args[4]
  for line in io.lines(file) do
    if kind == "cookie" then
      requests[#requests + 1] = wrk.format("GET", nil, { ["Cookie"] = line })
    else
      local headers = { ["Content-Type"] = "application/json" }
      requests[#requests + 1] = wrk.format("POST", nil, headers, line)
    end
  end
  position = first % #requests
  if collect then
    kept = io.open(collect, "w")
    response = keep_cookie
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function keep_cookie(status, headers)
  if kept_all then
    return
  end
  answers = answers + 1
  if status == 200 and answers <= #requests then
    for name, value in pairs(headers) do
      if name:lower() == "set-cookie" then
        kept:write(value:match("^[^;]*"), "\n")
      end
    end
  end
  if answers >= #requests then
    kept:write("end\n")
    kept:flush()
    kept_all = true
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nresult {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
