require "sinatra/base"

class Greeter < Sinatra::Base
  VERSION = "v1"

  get("/") { "hello from sinatra\n" }
  get("/version") { VERSION + "\n" }
end
