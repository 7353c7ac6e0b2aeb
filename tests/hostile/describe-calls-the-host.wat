;; Reads storage in `describe`, before there is a mount.
;;
;; request: load
;; status: 400
;; error: describe and special-paths are static

(func $describe (result i32)
  (call $get (i32.const 2112) (i32.const 3) (i32.const 64))
  (i32.const 1536))
