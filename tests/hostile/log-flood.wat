;; Logs a line of 16 KiB as often as it can.
;;
;; request: read harm
;; status: 500
;; error: --transfer-mib

(func $hostile (result i32)
  (local $line i32)
  (local.set $line (call $repeat (i32.const 0x78) (i32.const 16384)))
  (loop $again
    (call $log (i32.const 2) (local.get $line) (i32.const 16384) (i32.const 0) (i32.const 0))
    (br $again))
  unreachable)
