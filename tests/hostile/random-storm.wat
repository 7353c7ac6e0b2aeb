;; Asks for 64 KiB of random bytes again and again, and gives the same memory for them each time.
;;
;; request: read harm
;; status: 500
;; error: --transfer-mib

(func $hostile (result i32)
  (loop $again
    (call $random (i32.const 65536) (i32.const 64))
    (global.set $heap (i32.const 65536))
    (br $again))
  unreachable)
