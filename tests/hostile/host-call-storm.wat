;; Asks for the time again and again: the cheapest call of the host, which no limit counts.
;;
;; request: read harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (loop $again
    (call $now (i32.const 64))
    (br $again))
  unreachable)
