;; Grows its memory page by page, writes to each page, and goes on trying when it is refused.
;;
;; request: read harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (local $at i32)
  (loop $again
    (local.set $at (memory.grow (i32.const 1)))
    (if (i32.ne (local.get $at) (i32.const -1))
      (then (i32.store (i32.shl (local.get $at) (i32.const 16)) (i32.const 1))))
    (br $again))
  unreachable)
