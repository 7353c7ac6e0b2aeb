;; Says that it stores below 100,000 prefixes.
;;
;; request: load
;; status: 400
;; error: `storage` has more than 1000 entries

(func $describe (result i32)
  (i32.store (i32.const 1564) (call $repeat (i32.const 0) (i32.const 800000)))
  (i32.store (i32.const 1568) (i32.const 100000))
  (i32.const 1536))
