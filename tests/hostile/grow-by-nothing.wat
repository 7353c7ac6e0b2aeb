;; Computes without an end and asks for no memory in between, again and again. wasmtime takes each request for memory for a
;; call of the host that returns.
;;
;; request: read harm
;; status: 500
;; error: guest hostile
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (local $x i32)
  (loop $again
    @{2000 (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))}
    (drop (memory.grow (i32.const 0)))
    (br $again))
  unreachable)
