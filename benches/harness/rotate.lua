-- Sends the lines of a file in turn: wrk -s rotate.lua URL -- KIND FILE FIRST THREADS [COLLECT]
-- KIND is `cookie` (GET, each line a Cookie header), `delete` (DELETE, likewise), `comment`
-- (POST of a comment, likewise) or `body` (POST, each line a JSON body).
-- With several threads, each takes the lines of its own.
-- With COLLECT the cookies of as many answers are written there, and `end` below them.

local requests, position, step = {}, 0, 1
local kept, kept_all, answers = nil, false, 0
local json = "application/json"
local comment = '{"text":"Because anybody can edit a cookie."}'

local kinds = {
  cookie = function(line)
    return wrk.format("GET", nil, { ["Cookie"] = line })
  end,
  delete = function(line)
    return wrk.format("DELETE", nil, { ["Cookie"] = line })
  end,
  comment = function(line)
    return wrk.format("POST", nil, { ["Cookie"] = line, ["Content-Type"] = json }, comment)
  end,
  body = function(line)
    return wrk.format("POST", nil, { ["Content-Type"] = json }, line)
  end,
}

local threads_so_far = 0

function setup(thread)
  thread:set("number", threads_so_far)
  threads_so_far = threads_so_far + 1
end

function init(args)
  local format = kinds[args[1]]
  for line in io.lines(args[2]) do
    requests[#requests + 1] = format(line)
  end
  position, step = tonumber(args[3]) + number, tonumber(args[4])
  -- Before it starts, wrk asks the first thread for a request that it does not send.
  position = position - (number == 0 and 2 * step or step)
  if args[5] then
    kept = io.open(args[5], "w")
    response = keep_cookie
  end
end

function request()
  position = position + step
  return requests[position % #requests + 1]
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
